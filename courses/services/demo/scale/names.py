"""Made-up people: plain lists, combined by counting, so that every run has the same 100,000 names."""

from __future__ import annotations


def _words(text: str) -> list[str]:
    return text.split()


GIVEN = _words("""
Ada Adam Agnes Aisha Alan Albert Alejandra Alex Alice Alma Amara Amelia Amina Amos Ana Anders Andrea Angela Anita Anna
Anton Arjun Arthur Astrid Aurora Barbara Basil Beatriz Ben Bianca Boris Brian Bruno Camila Carl Carmen Carol Cedric
Celia Chen Chloé Clara Claude Connor Cora Daniel Daphne David Dennis Diana Diego Dmitri Dolores Edith Edward Elena Eli
Élodie Elsa Emeka Emil Emma Enrique Erik Esther Ethan Eva Farah Felix Fiona Florence Francis Frida Gabriel George Gina
Grace Greta Gustav Hana Hannah Harold Hassan Heidi Helen Henry Hugo Ian Ibrahim Ida Igor Imani Ines Ingrid Irene Isaac
Isabel Ivan Jack Jamal James Jana Jasmine Javier Jean Jesse Joan Joel John Jonas José Judith Julia Kai Karen Karim Kate
Keiko Kenji Kevin Kim Kofi Lara Laura Layla Leah Leila Leo Lena Liam Lila Linda Louis Lucía Luis Luna Magnus Maja Marco
Maria Marie Marta Martin Mary Mateo Max Maya Mei Mia Miguel Mila Mina Miriam Mohamed Nadia Naomi Natasha Nathan Nia
Nicolas Nina Noah Nora Olga Oliver Omar Oscar Otto Pablo Paula Paul Pedro Petra Philip Priya Quentin Rachel Rafael Rana
Raúl Rebecca Rita Robert Rosa Rose Ruth Sally Samir Samuel Sandra Sara Selma Sergei Sofia Sonia Sophie Stefan Stella
Susan Sven Tamara Tariq Teresa Theo Thomas Tim Tomás Uma Ursula Vera Victor Viola Walter Wei William Xin Yara Yasmin
Yuki Yusuf Zara Zoë
""")

FAMILY = _words("""
Abbott Abdi Acosta Adams Adeyemi Aguilar Ahmed Alvarez Andersson Arnold Bailey Baker Banerjee Barnes Bauer Becker Bell
Bennett Berg Bianchi Blanc Bloom Boateng Bosch Brandt Brennan Brooks Brown Bryant Burke Byrne Campbell Cardoso Carter
Castillo Chan Chandra Chavez Chen Choi Clark Cohen Cole Collins Conti Cook Costa Cruz Cunningham Dahl Daniels Das Davis
Deng Desai Diaz Dixon Dubois Duncan Dunn Dvořák Eastman Edwards Eklund Ellis Engel Espinoza Evans Farrell Fernández
Fischer Fisher Fleming Flores Ford Foster Fox Franklin Freeman Fuchs Fujita Gallagher García Gibson Gill Gomez Gonzalez
Gordon Graham Grant Green Griffin Gruber Gupta Gutiérrez Haas Hahn Hall Hamilton Hansen Harper Harris Hart Hayes Heller
Hernandez Hill Hoffmann Holm Horvat Howard Huang Hughes Hunt Ibarra Ibrahim Ito Ivanov Jackson Jacobs Jansen Jenkins
Jensen Jiménez Johnson Jones Jordan Joshi Kaiser Kamau Kang Kaplan Karlsson Kaur Keller Kelly Kennedy Khan Kim King
Klein Koch Kowalski Kumar Lambert Lang Larsen Laurent Lee Lehmann Leroy Lewis Li Lindberg Liu Long Lopez Lund MacLeod
Malik Mancini Marino Marsh Martin Martínez Mason Matsuda Mbeki McCarthy McDonald Medina Mehta Mendes Meyer Miller
Mitchell Mohr Molina Moore Morales Moreau Morgan Morris Müller Murphy Murray Nakamura Navarro Nelson Nguyen Nkosi Nolan
Novak Nowak Nuñez Oconnor Ochoa Okafor Olsen Ortega Ortiz Osei Owens Palmer Park Parker Patel Pavlov Perez Perry
Petersen Pham Phillips Popov Powell Price Quinn Ramirez Ramos Rao Reed Reid Reyes Richter Rivera Roberts Robinson Rojas
Romano Rossi Roux Russo Ryan Saito Salazar Sanchez Santos Sato Schmidt Schneider Schwarz Scott Shah Sharma Shaw Silva
Simmons Singh Smith Sokolov Soto Stein Stewart Stone Suarez Sullivan Suzuki Takahashi Tan Tanaka Taylor Thompson Torres
Tran Turner Vargas Vasquez Vega Vogel Wagner Walker Wallace Walsh Wang Ward Watanabe Weber Webb Weiss West White
Williams Wilson Winter Wolf Wong Wood Wright Wu Yamamoto Yang Yilmaz Young Zhang Zhao Ziegler Zimmermann
""")


def name_of(number: int) -> tuple[str, str]:
    """(given, family) of the ``number``-th person; every fifth has a double family name."""
    given = GIVEN[number % len(GIVEN)]
    turn = number // len(GIVEN)
    family = FAMILY[(turn * 7 + number) % len(FAMILY)]
    if number % 5 == 0:
        family += "-" + FAMILY[(turn + number * 3) % len(FAMILY)]
    return given, family
